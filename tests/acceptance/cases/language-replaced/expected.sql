CREATE OR REPLACE TRUSTED LANGUAGE "sample" HANDLER plpgsql_call_handler INLINE plpgsql_inline_handler VALIDATOR plpgsql_validator;
