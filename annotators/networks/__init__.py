"""Networks that the annotators run, each beside what loads its published weights."""
