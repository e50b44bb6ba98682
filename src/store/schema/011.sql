-- Schema 11: since when visits count for a customer's course of treatment.

-- NULL: since the first visit, as before.
ALTER TABLE cards ADD COLUMN course_since_ms INTEGER;
