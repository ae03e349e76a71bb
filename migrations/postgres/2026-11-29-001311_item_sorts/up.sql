-- What of its kind an item is, where the word for the kind would say too little: a prescription is no requisition.
ALTER TABLE chart_items ADD COLUMN sort TEXT;
UPDATE chart_items SET sort = 'prescription' WHERE kind = 'requisition'
  AND (source_key LIKE 'MedicationRequest/%' OR source_key LIKE '%/MedicationRequest/%');
UPDATE chart_items SET sort = 'procedure' WHERE kind = 'encounter'
  AND (source_key LIKE 'Procedure/%' OR source_key LIKE '%/Procedure/%');
UPDATE chart_items SET sort = 'immunization' WHERE kind = 'encounter'
  AND (source_key LIKE 'Immunization/%' OR source_key LIKE '%/Immunization/%');
