"""The listener for what comes back by SMTP: bounces, complaints, unsubscribes."""
