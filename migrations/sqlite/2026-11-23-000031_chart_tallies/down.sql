DROP TABLE chart_tallies;
