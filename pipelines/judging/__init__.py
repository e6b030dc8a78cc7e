"""What is said about records and builds: findings, health, published counts, the card."""
