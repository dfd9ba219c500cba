"""What a foreign model takes and gives, and the card to start from."""
