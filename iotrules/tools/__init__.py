"""What people do with rules before they run them: each tool is the engine that runs live, in virtual time."""
