"""What tests share: tiny models, results, files."""
