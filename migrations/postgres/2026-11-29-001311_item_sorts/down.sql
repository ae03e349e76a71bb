ALTER TABLE chart_items DROP COLUMN sort;
