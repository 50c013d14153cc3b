"""The wires: IMAP, SMTP and the doorbell. The only importers of imapclient, smtplib, rq and redis."""
