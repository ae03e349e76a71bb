DROP TABLE chart_item_terms;
