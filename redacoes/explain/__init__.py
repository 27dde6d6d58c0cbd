"""What moved a score: sentences, words and similar training essays."""
