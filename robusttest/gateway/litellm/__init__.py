"""Everything that knows LiteLLM: backend, fast transport, responses, failures, keys and prices."""
