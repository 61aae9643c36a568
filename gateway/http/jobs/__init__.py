"""Jobs: flow runs that people start through the gateway, their queue, state and webhooks."""
