"""The command line: `authoriser serve`, `import`, `card`, `account`, `status`, `events`, `verify`, `exceptions`."""
