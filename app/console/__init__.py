"""The reviewer console: pages for people, JSON for programs. A process of its own, beside the workers."""
