"""What every stage stands on: records, datasets, storage, the engine, teachers, video, judging and students."""
