"""What is put before the modules of a measured command."""
