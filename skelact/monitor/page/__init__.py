"""The page of live use: people, alarms, zones and health in a browser, with an API beside it."""
