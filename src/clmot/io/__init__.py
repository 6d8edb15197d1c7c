"""Reading and writing of videos and MOTChallenge text."""
