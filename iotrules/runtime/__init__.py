"""The loop: input → decide → commit → acknowledge → deliver. All effects of the engine on the world go through here."""
