"""Programs and libraries that read the authoriser's events from Kafka. They know the published shapes and nothing more.

Each is asyncio, reads committed events only, and may see one again after a crash; what it does about that it says.
"""
