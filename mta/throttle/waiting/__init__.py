"""Why a message waits and when it will go, told from plain facts about its path, its turn and its own state."""
