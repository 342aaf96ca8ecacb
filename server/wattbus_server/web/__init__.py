"""The HTTP side: link pages, the vendor's callback, hosted files, health and metrics. Works without JavaScript."""
