"""From a clip and the masks of its objects to object pairs; what the sources of this room stand on."""
