"""From a listing to shards: plan, units, reading, annotating, receipts, finish."""
