"""What is live at other hubs, as they tell it: one more source beside a hub's own (docs/architecture.md#one-view)."""
