"""What manage.sh installs and starts, and what keeps it running."""
