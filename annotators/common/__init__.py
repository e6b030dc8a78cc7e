"""What annotators share; nothing here is an annotator."""
