"""A fleet of simulated machines that speaks MQTT: a pure core in virtual time, one runner that does I/O."""
