outbox-title = Outbox (development)
outbox-lead = This page exists in development alone. It shows the mail and text messages that were sent.
outbox-empty = There is no message yet.
outbox-minutes = { $count } minutes
outbox-hours = { $count } hours
outbox-code-subject = Your confirmation code
outbox-code-text = Your code is { $code }. It works for { $life }. Tell it to nobody, not even to an officer.
