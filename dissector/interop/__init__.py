"""What brings the decode into other programs: the plugin for Wireshark."""
