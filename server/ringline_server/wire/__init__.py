"""What carries the RPCs: thin, interchangeable, alone in knowing its library."""
