-- Schema 15: gateways that are not in use any more. They stay with all that they told, and are left out of what speaks of the stores as they
-- are now; one that says hello is in use again.

ALTER TABLE gateways ADD COLUMN retired_ms INTEGER;   -- since when; absent: in use
