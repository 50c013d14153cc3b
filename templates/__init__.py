"""What people say: reply templates, FAQ snippets, sequence steps, merge fields. Pure text work; HTML pages live in
web/pages."""
