"""Sharing on the Hugging Face hub: repositories by their names, licences, and sending what isn't there yet."""
