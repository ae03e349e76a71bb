DROP TABLE provider_visits;
DROP TABLE provider_links;
