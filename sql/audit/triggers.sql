-- Two for each event, in the order of their names. ALWAYS: also where session_replication_role is replica.
CREATE EVENT TRIGGER reconciler_audit_1_end ON ddl_command_end EXECUTE FUNCTION reconciler_audit.note_role();
CREATE EVENT TRIGGER reconciler_audit_1_drop ON sql_drop EXECUTE FUNCTION reconciler_audit.note_role();
CREATE EVENT TRIGGER reconciler_audit_1_rewrite ON table_rewrite EXECUTE FUNCTION reconciler_audit.note_role();
CREATE EVENT TRIGGER reconciler_audit_2_end ON ddl_command_end EXECUTE FUNCTION reconciler_audit.write();
CREATE EVENT TRIGGER reconciler_audit_2_drop ON sql_drop EXECUTE FUNCTION reconciler_audit.write_drop();
CREATE EVENT TRIGGER reconciler_audit_2_rewrite ON table_rewrite EXECUTE FUNCTION reconciler_audit.write_drop();
ALTER EVENT TRIGGER reconciler_audit_1_end ENABLE ALWAYS;
ALTER EVENT TRIGGER reconciler_audit_1_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER reconciler_audit_1_rewrite ENABLE ALWAYS;
ALTER EVENT TRIGGER reconciler_audit_2_end ENABLE ALWAYS;
ALTER EVENT TRIGGER reconciler_audit_2_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER reconciler_audit_2_rewrite ENABLE ALWAYS;
