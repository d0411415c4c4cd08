-- Evaluates an expression for one row after another, and counts those for which it fails, until there are enough or the
-- time is over. The body of a DO block, which leaves what it found in a setting of the transaction.
DECLARE
    until timestamptz := clock_timestamp() + {seconds} * interval '1 second';
    found bigint := 0;
    ended boolean := true;
    examples text[] := array[]::text[];
    place record;
    ignored record;
BEGIN
    FOR place IN EXECUTE {rows} LOOP
        BEGIN
            EXECUTE {attempt} INTO ignored USING place.owner, place.place;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
            found := found + 1;
            IF found <= {shown} THEN
                examples := examples || place.example;
            END IF;
        END;
        IF found >= {most} OR clock_timestamp() > until THEN
            ended := false;
            EXIT;
        END IF;
    END LOOP;
    PERFORM set_config('reconciler.found',
        json_build_object('count', found, 'ended', ended, 'examples', to_json(examples))::text, true);
END
