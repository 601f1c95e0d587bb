"""What api, wsd and cli share: settings, errors, domain rules, the store, the use cases."""
