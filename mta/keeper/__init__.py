"""The housekeeper: archive, totals, finished campaigns, trims, health. One per engine is enough."""
