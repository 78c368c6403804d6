-- Late events are listed by the writer: a view of every event table cost half of a small insert. The list stays.

DROP VIEW IF EXISTS late_events_from_heartbeats;
DROP VIEW IF EXISTS late_events_from_readings;
DROP VIEW IF EXISTS late_events_from_presence;
DROP VIEW IF EXISTS late_events_from_sos_calls;
DROP VIEW IF EXISTS late_events_from_vision_findings;
DROP VIEW IF EXISTS late_events_from_passages;
DROP VIEW IF EXISTS late_events_from_sightings;
DROP VIEW IF EXISTS late_events_from_patrols;
DROP VIEW IF EXISTS late_events_from_online_interactions;
DROP VIEW IF EXISTS late_events_from_service_requests;
DROP VIEW IF EXISTS late_events_from_participation;
DROP VIEW IF EXISTS late_events_from_venue_sessions;
DROP VIEW IF EXISTS late_events_from_venue_visitors;
DROP VIEW IF EXISTS late_events_from_venue_bookings;
DROP VIEW IF EXISTS late_events_from_venue_sales;
DROP VIEW IF EXISTS late_events_from_venue_activities;
DROP VIEW IF EXISTS late_events_from_canteen_orders;
DROP VIEW IF EXISTS late_events_from_civic_cases;
DROP VIEW IF EXISTS late_events_from_volunteering;
DROP VIEW IF EXISTS late_events_from_waste_deposits;
DROP VIEW IF EXISTS late_events_from_parking;
DROP VIEW IF EXISTS late_events_from_health_measurements;
