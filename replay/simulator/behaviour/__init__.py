"""What happens in the district, one module per walk of life; each makes the blocks of a day."""
