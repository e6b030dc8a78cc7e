"""Drawn people in drawn garments: pure geometry and paint, no files. `pipelines.sources.sample` puts them on disk."""
