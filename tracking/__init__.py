"""What is remembered: every record Journeyman keeps lives in MLflow, and this folder writes and reads it."""
