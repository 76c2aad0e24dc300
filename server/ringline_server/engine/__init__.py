"""Takes commands, has the rules decide them in batches, makes them durable, and only then tells."""
