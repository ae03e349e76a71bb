//! Every table, once for both databases. A test holds it equal to both migration trees by introspection.

diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    clinic (id) {
        id -> BigInt,
        name -> Text,
        phone -> Text,
        address -> Text,
        time_zone -> Text,
        language -> Text,
        emergency_text -> Text,
        closing_text -> Text,
        portal_on -> Bool,
        portal_for_new_patients -> Bool,
        replies_by_default -> Bool,
        portal_idle_minutes -> BigInt,
        portal_stay_days -> BigInt,
        quiet_from -> BigInt,
        quiet_until -> BigInt,
        cookie_key -> Binary,
        notify_by_name -> Bool,
        tell_of_access -> Bool,
        plan_text_hours -> BigInt,
        plan_remind_days -> BigInt,
        plan_tell_days -> BigInt,
        portal_longest_hours -> BigInt,
        portal_identifiers -> Text,
        portal_names -> Bool,
        logo -> Text,
        background -> Text,
        portal_since -> Nullable<Utc>,
        passcodes_a_day -> BigInt,
        name_where_shared -> Bool,
        second_factor_roles -> Text,
        retention -> Text,
        notices -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    key_renewals (what) {
        what -> Text,
        version -> BigInt,
        done_to -> Nullable<BigInt>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    sealing_keys (key_id) {
        key_id -> Text,
        all_text -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    clinic_images (kind) {
        kind -> Text,
        name -> Text,
        media_type -> Text,
        bytes -> Binary,
    }
}
diesel::table! {
    absences (user_id) {
        user_id -> BigInt,
        away_from -> Text,
        away_until -> Text,
        cover_id -> BigInt,
    }
}
diesel::table! {
    opening_hours (weekday, opens) {
        weekday -> BigInt,
        opens -> BigInt,
        closes -> BigInt,
    }
}
diesel::table! {
    closed_days (day) {
        day -> Text,
        name -> Text,
    }
}
diesel::table! {
    answer_promise (id) {
        id -> BigInt,
        unit -> Text,
        amount -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    users (id) {
        id -> BigInt,
        email -> Text,
        email_key -> Text,
        name -> Text,
        role -> Text,
        language -> Text,
        password_hash -> Nullable<Text>,
        active -> Bool,
        created_at -> Utc,
        told_of_replies -> Text,
        signed_in_at -> Nullable<Utc>,
        keys_on -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    password_links (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        expires_at -> Utc,
        purpose -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    account_mails (id) {
        id -> BigInt,
        user_id -> Nullable<BigInt>,
        kind -> Text,
        state -> Text,
        to_email -> Nullable<Text>,
        device -> Nullable<Text>,
        created_at -> Utc,
        state_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    known_devices (user_id, token_hash) {
        user_id -> BigInt,
        token_hash -> Binary,
        seen_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    authenticator_apps (user_id) {
        user_id -> BigInt,
        secret -> Binary,
        last_step -> BigInt,
        added_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    authenticator_setups (user_id) {
        user_id -> BigInt,
        secret -> Binary,
        expires_at -> Utc,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    recovery_codes (user_id, code_hash) {
        user_id -> BigInt,
        code_hash -> Binary,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    second_step_tries (user_id) {
        user_id -> BigInt,
        wrong -> BigInt,
        locked_until -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    passkeys (id) {
        id -> BigInt,
        user_id -> BigInt,
        credential_id -> Binary,
        handle -> Binary,
        name -> Text,
        credential -> Text,
        added_at -> Utc,
        used_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    passkey_challenges (token_hash) {
        token_hash -> Binary,
        user_id -> Nullable<BigInt>,
        purpose -> Text,
        state -> Text,
        expires_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    provider_links (user_id) {
        user_id -> BigInt,
        issuer -> Text,
        subject -> Text,
        linked_at -> Utc,
        used_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    provider_visits (state_hash) {
        state_hash -> Binary,
        browser_hash -> Binary,
        nonce_hash -> Binary,
        purpose -> Text,
        user_id -> Nullable<BigInt>,
        invitation_hash -> Nullable<Binary>,
        next -> Text,
        begun_at -> Utc,
        expires_at -> Utc,
        source -> Nullable<Text>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_links (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        user_id -> BigInt,
        source -> Text,
        linked_at -> Utc,
        used_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_newcomers (browser_hash) {
        browser_hash -> Binary,
        source -> Text,
        issuer -> Text,
        subject -> Text,
        expires_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    pending_sign_ins (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        expires_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    patients (id) {
        id -> BigInt,
        source_key -> Nullable<Text>,
        given_name -> Text,
        family_name -> Text,
        preferred_name -> Nullable<Text>,
        name_key -> Text,
        birth_date -> Text,
        health_number -> Nullable<Text>,
        health_number_key -> Nullable<Text>,
        email -> Nullable<Text>,
        phone -> Nullable<Text>,
        language -> Text,
        notification_method -> Text,
        portal_access -> Bool,
        archived_at -> Nullable<Utc>,
        created_at -> Utc,
        confirmed_email -> Nullable<Text>,
        confirmed_phone -> Nullable<Text>,
        portal_access_since -> Nullable<Utc>,
        archive_reason -> Nullable<Text>,
        merged_into -> Nullable<BigInt>,
        form_key -> Nullable<Text>,
        archived_by -> Nullable<BigInt>,
        deleted_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    distinctions (one_id, other_id) {
        one_id -> BigInt,
        other_id -> BigInt,
        user_id -> BigInt,
        made_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    merges (id) {
        id -> BigInt,
        kept_id -> BigInt,
        merged_id -> BigInt,
        user_id -> BigInt,
        merged_at -> Utc,
        undone_at -> Nullable<Utc>,
        undone_by -> Nullable<BigInt>,
        kept_before -> Text,
        merged_portal_access -> Bool,
        merged_archived_at -> Nullable<Utc>,
        merged_archive_reason -> Nullable<Text>,
        identifiers -> Text,
        drafts -> Sealed<MergedDrafts>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    merge_moves (merge_id, place, row_id) {
        merge_id -> BigInt,
        place -> Text,
        row_id -> BigInt,
        was -> Nullable<Text>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    record_holds (patient_id) {
        patient_id -> BigInt,
        user_id -> BigInt,
        held_at -> Utc,
        note -> Sealed<HoldNote>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    deleted_records (patient_id) {
        patient_id -> BigInt,
        user_id -> BigInt,
        deleted_at -> Utc,
        reason -> Text,
        archived_at -> Utc,
        conversations -> BigInt,
        messages -> BigInt,
        chart_items -> BigInt,
        files -> BigInt,
    }
}
diesel::table! {
    deleted_sources (source_hash) {
        source_hash -> Binary,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    list_mappings (headers_key) {
        headers_key -> Text,
        meanings -> Text,
        dates -> Text,
        used_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    patient_identifiers (patient_id, kind) {
        patient_id -> BigInt,
        kind -> Text,
        number -> Text,
        number_key -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    patient_sources (id) {
        id -> BigInt,
        patient_id -> BigInt,
        source -> Text,
        source_id -> Text,
        created_at -> Utc,
        standing -> Nullable<Text>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    patient_terms (patient_id, term) {
        patient_id -> BigInt,
        term -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    chart_items (id) {
        id -> BigInt,
        patient_id -> BigInt,
        source_key -> Text,
        kind -> Text,
        occurred_at -> Utc,
        title -> Sealed<ItemTitle>,
        author -> Nullable<Sealed<ItemAuthor>>,
        body -> Sealed<ItemText>,
        created_at -> Utc,
        state -> Text,
        state_at -> Nullable<Utc>,
        origin_id -> Nullable<BigInt>,
        former_body -> Nullable<Sealed<ItemFormerText>>,
        status -> Nullable<Sealed<ItemStatus>>,
        date_only -> Nullable<Text>,
        sort -> Nullable<Text>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    source_resources (id) {
        id -> BigInt,
        source -> Text,
        source_key -> Text,
        full_url -> Nullable<Text>,
        kind -> Text,
        owner_source -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        json -> Sealed<ResourceJson>,
        updated_at -> Nullable<Utc>,
        delivery -> BigInt,
        withdrawn_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    source_files (resource_id, number) {
        resource_id -> BigInt,
        number -> BigInt,
        blob_id -> Nullable<BigInt>,
        media_type -> Text,
        size -> BigInt,
        flaw -> Nullable<Text>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    source_mentions (target, owner_source, owner_id) {
        target -> Text,
        owner_source -> Text,
        owner_id -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_rounds (source) {
        source -> Text,
        lease -> Nullable<Text>,
        lease_until -> Nullable<Utc>,
        is_full -> Bool,
        wanted -> Nullable<Text>,
        begun_at -> Nullable<Utc>,
        ended_at -> Nullable<Utc>,
        as_of -> Nullable<Utc>,
        full_at -> Nullable<Utc>,
        next_at -> Nullable<Utc>,
        failures -> BigInt,
        trouble -> Nullable<Text>,
        export -> Nullable<Text>,
        trouble_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_progress (source, kind) {
        source -> Text,
        kind -> Text,
        is_done -> Bool,
        next_page -> Nullable<Text>,
        since -> Nullable<Utc>,
        since_next -> Nullable<Utc>,
        page_size -> BigInt,
        seen -> BigInt,
        total -> Nullable<BigInt>,
        is_counted -> Bool,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    emr_left_out (source, what, why) {
        source -> Text,
        what -> Text,
        why -> Text,
        times -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    emr_waiting_charts (source, owner_source, owner_id) {
        source -> Text,
        owner_source -> Text,
        owner_id -> Text,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    emr_refused (source, owner_id) {
        source -> Text,
        owner_id -> Text,
        reason -> Text,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    emr_rules (field) {
        field -> Text,
        rule -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_differences (id) {
        id -> BigInt,
        patient_id -> BigInt,
        source -> Text,
        owner_id -> Text,
        field -> Text,
        theirs -> Text,
        noted_at -> Utc,
        kept_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    chart_item_terms (patient_id, term, item_id) {
        patient_id -> BigInt,
        term -> Text,
        item_id -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    chart_tallies (patient_id, kind, month) {
        patient_id -> BigInt,
        kind -> Text,
        month -> BigInt,
        items -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    conversations (id) {
        id -> BigInt,
        patient_id -> BigInt,
        number -> BigInt,
        title -> Sealed<ConversationTitle>,
        replies_allowed -> Bool,
        started_by -> BigInt,
        created_at -> Utc,
        last_message_at -> Utc,
        last_author -> Text,
        read_by_patient_at -> Nullable<Utc>,
        closed_at -> Nullable<Utc>,
        closed_by -> Nullable<BigInt>,
        attention -> Nullable<Text>,
        answer -> Nullable<Text>,
        replies_since -> Nullable<Utc>,
        notice_email -> Nullable<Text>,
        notice_text -> Nullable<Text>,
        waiting_since -> Nullable<Utc>,
        to_do_since -> Nullable<Utc>,
        recalled_at -> Nullable<Utc>,
        answer_by -> Nullable<Utc>,
        answer_kept -> Nullable<Utc>,
        answer_due -> Nullable<Utc>,
        to_do_due -> Nullable<Utc>,
        only_patient -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    participants (conversation_id, user_id) {
        conversation_id -> BigInt,
        user_id -> BigInt,
        unread -> Bool,
        done_at -> Nullable<Utc>,
        last_message_at -> Utc,
        closed_at -> Nullable<Utc>,
        waiting_since -> Nullable<Utc>,
        attention -> Nullable<Text>,
        to_do_since -> Nullable<Utc>,
        seen_id -> Nullable<BigInt>,
        assigned_until -> Nullable<Utc>,
        answer_due -> Nullable<Utc>,
        by_team -> Bool,
        team_until -> Nullable<Utc>,
        to_do_due -> Nullable<Utc>,
        mentioned_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    promises (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        asked_at -> Utc,
        answer_by -> Utc,
        answered_at -> Nullable<Utc>,
        user_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    mentions (message_id, user_id) {
        message_id -> BigInt,
        user_id -> BigInt,
        conversation_id -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    conversation_events (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        at -> Utc,
        kind -> Text,
        by_id -> Nullable<BigInt>,
        user_id -> BigInt,
        due_at -> Nullable<Utc>,
        team_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    teams (id) {
        id -> BigInt,
        name -> Text,
        name_key -> Text,
        created_at -> Utc,
        archived_at -> Nullable<Utc>,
        round -> BigInt,
        followed_to -> BigInt,
    }
}
diesel::table! {
    team_members (team_id, user_id) {
        team_id -> BigInt,
        user_id -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    conversation_teams (conversation_id, team_id) {
        conversation_id -> BigInt,
        team_id -> BigInt,
        assigned_until -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    messages (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        author -> Text,
        user_id -> Nullable<BigInt>,
        body_source -> Sealed<MessageSource>,
        body_format -> Text,
        body_html -> Sealed<MessageHtml>,
        internal -> Bool,
        send_key -> Text,
        created_at -> Utc,
        read_by_patient_at -> Nullable<Utc>,
        offers -> Text,
        listed_at -> Nullable<Utc>,
        recalled_at -> Nullable<Utc>,
        recalled_by -> Nullable<BigInt>,
        corrects_id -> Nullable<BigInt>,
        caregiver_id -> Nullable<BigInt>,
        reader_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    answers (message_id, answer) {
        message_id -> BigInt,
        answer -> Text,
        answered_at -> Utc,
        caregiver_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    reply_drafts (conversation_id) {
        conversation_id -> BigInt,
        body -> Sealed<ReplyDraft>,
        saved_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    caregivers (id) {
        id -> BigInt,
        patient_id -> BigInt,
        name -> Text,
        relation -> Text,
        birth_date -> Text,
        email -> Nullable<Text>,
        email_key -> Nullable<Text>,
        phone -> Nullable<Text>,
        language -> Text,
        notification_method -> Text,
        starts_at -> Utc,
        ends_at -> Utc,
        ended_by -> Nullable<BigInt>,
        version -> BigInt,
        form_key -> Text,
        created_at -> Utc,
    }
}
diesel::table! {
    caregiver_ages (id) {
        id -> BigInt,
        look_age -> BigInt,
        end_age -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    caregiver_drafts (conversation_id, caregiver_id) {
        conversation_id -> BigInt,
        caregiver_id -> BigInt,
        body -> Sealed<CaregiverDraft>,
        saved_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    notifications (id) {
        id -> BigInt,
        message_id -> Nullable<BigInt>,
        conversation_id -> Nullable<BigInt>,
        patient_id -> BigInt,
        channel -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        attempts -> BigInt,
        message_uid -> Text,
        created_at -> Utc,
        state_at -> Utc,
        kind -> Text,
        sent_to -> Nullable<Text>,
        gateway_id -> Nullable<Text>,
        user_id -> Nullable<BigInt>,
        unsure -> Bool,
        caregiver_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    portal_links (id) {
        id -> BigInt,
        token_hash -> Binary,
        patient_id -> Nullable<BigInt>,
        conversation_id -> Nullable<BigInt>,
        notification_id -> Nullable<BigInt>,
        channel -> Text,
        created_at -> Utc,
        expires_at -> Utc,
        ended_at -> Nullable<Utc>,
        claim_hash -> Nullable<Binary>,
        caregiver_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    passcodes (link_id) {
        link_id -> BigInt,
        code_hash -> Nullable<Text>,
        requested_at -> Utc,
        expires_at -> Utc,
        tries -> BigInt,
        locked_until -> Nullable<Utc>,
        locks -> BigInt,
        send_state -> Text,
        send_reason -> Nullable<Text>,
        notification_id -> Nullable<BigInt>,
        wrong_tries -> BigInt,
        asked -> BigInt,
        counted_since -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    claim_tokens (token_hash) {
        token_hash -> Binary,
        link_id -> BigInt,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    sessions (token_hash) {
        token_hash -> Binary,
        user_id -> Nullable<BigInt>,
        patient_id -> Nullable<BigInt>,
        state -> Text,
        created_at -> Utc,
        seen_at -> Utc,
        idle_until -> Utc,
        expires_at -> Utc,
        caregiver_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    jobs (id) {
        id -> BigInt,
        kind -> Text,
        subject_id -> BigInt,
        attempts -> BigInt,
        run_at -> Utc,
        lease -> Nullable<Text>,
        created_at -> Utc,
        lane -> Text,
        party -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    worker_looks (part) {
        part -> Text,
        at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    audit_events (id) {
        id -> BigInt,
        chain -> BigInt,
        position -> BigInt,
        at -> Utc,
        actor -> Text,
        actor_id -> Nullable<BigInt>,
        action -> Text,
        patient_id -> Nullable<BigInt>,
        subject -> Nullable<Text>,
        subject_id -> Nullable<BigInt>,
        detail -> Nullable<Text>,
        hash -> Binary,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    audit_heads (chain) {
        chain -> BigInt,
        position -> BigInt,
        hash -> Binary,
        seal -> Nullable<Binary>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    audit_seals (id) {
        id -> BigInt,
        sealed_at -> Utc,
        line -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    notification_templates (id) {
        id -> BigInt,
        kind -> Text,
        channel -> Text,
        language -> Text,
        version -> BigInt,
        subject -> Nullable<Text>,
        body -> Nullable<Text>,
        user_id -> BigInt,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    plan_steps (id) {
        id -> BigInt,
        message_id -> BigInt,
        conversation_id -> BigInt,
        step -> Text,
        due_at -> Utc,
        state -> Text,
        state_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    phone_calls (id) {
        id -> BigInt,
        step_id -> BigInt,
        conversation_id -> BigInt,
        user_id -> BigInt,
        outcome -> Text,
        note -> Sealed<PhoneCallNote>,
        form_key -> Text,
        called_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    letters (id) {
        id -> BigInt,
        step_id -> BigInt,
        conversation_id -> BigInt,
        user_id -> BigInt,
        recipient -> Sealed<LetterRecipient>,
        language -> Text,
        form_key -> Text,
        printed_at -> Utc,
        whole -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    postal_addresses (patient_id) {
        patient_id -> BigInt,
        street -> Sealed<PostalStreet>,
        city -> Sealed<PostalCity>,
        region -> Sealed<PostalRegion>,
        postal_code -> Sealed<PostalCode>,
        country -> Sealed<PostalCountry>,
        changed_at -> Utc,
        said_by -> Nullable<BigInt>,
        taken_away -> Bool,
    }
}
diesel::table! {
    reach_settings (id) {
        id -> BigInt,
        phone_days -> BigInt,
        letter_days -> BigInt,
        letter_whole -> Bool,
    }
}
diesel::table! {
    own_word_settings (id) {
        id -> BigInt,
        shown -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    own_words (patient_id) {
        patient_id -> BigInt,
        agreed -> Sealed<OwnWordText>,
        changed_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    notification_states (id) {
        id -> BigInt,
        notification_id -> BigInt,
        state -> Text,
        reason -> Nullable<Text>,
        at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    address_blocks (id) {
        id -> BigInt,
        channel -> Text,
        address_key -> Text,
        kind -> Text,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    received_texts (gateway_id) {
        gateway_id -> Text,
        sender -> Text,
        word -> Text,
        received_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    returned_mail (mailbox) {
        mailbox -> Text,
        validity -> BigInt,
        done_uid -> BigInt,
        tried_uid -> BigInt,
        tries -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    roads (channel) {
        channel -> Text,
        last_success_at -> Nullable<Utc>,
        last_error_at -> Nullable<Utc>,
        last_error -> Nullable<Text>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    blobs (id) {
        id -> BigInt,
        sha256 -> Binary,
        size -> BigInt,
        name -> Nullable<Text>,
        key_id -> Nullable<Text>,
        nonce -> Nullable<Binary>,
        scan -> Text,
        refs -> BigInt,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    chart_files (item_id) {
        item_id -> BigInt,
        blob_id -> BigInt,
        file_name -> Sealed<ChartFileName>,
        media_type -> Text,
        size -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    stray_files (name) {
        name -> Text,
        due_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    uploads (id) {
        id -> BigInt,
        user_id -> BigInt,
        patient_id -> Nullable<BigInt>,
        blob_id -> BigInt,
        file_name -> Sealed<UploadName>,
        media_type -> Text,
        size -> BigInt,
        suspect_id -> Nullable<BigInt>,
        suspect_by -> Nullable<Text>,
        confirmed_at -> Nullable<Utc>,
        created_at -> Utc,
        looked_at -> Text,
        scheduled_id -> Nullable<BigInt>,
        broadcast_id -> Nullable<BigInt>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    drafts (user_id, patient_id) {
        user_id -> BigInt,
        patient_id -> BigInt,
        version -> BigInt,
        form -> Nullable<Sealed<DraftForm>>,
        saved_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    kept_forms (user_id, page) {
        user_id -> BigInt,
        page -> Text,
        action -> Text,
        form -> Sealed<KeptFormText>,
        kept_at -> Utc,
    }
}
diesel::table! {
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    saved_views (id) {
        id -> BigInt,
        user_id -> BigInt,
        name -> Sealed<SavedViewName>,
        whose -> Text,
        which -> Text,
        sorting -> Text,
        opens_first -> Bool,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    conversation_drafts (user_id, conversation_id, writing) {
        user_id -> BigInt,
        conversation_id -> BigInt,
        writing -> Text,
        version -> BigInt,
        form -> Nullable<Sealed<ConversationDraftForm>>,
        saved_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    scheduled_messages (id) {
        id -> BigInt,
        user_id -> BigInt,
        patient_id -> BigInt,
        conversation_id -> Nullable<BigInt>,
        form -> Sealed<ScheduledFormText>,
        send_at -> Utc,
        state -> Text,
        reason -> Nullable<Text>,
        state_at -> Utc,
        version -> BigInt,
        form_key -> Text,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    broadcasts (id) {
        id -> BigInt,
        user_id -> BigInt,
        title -> Sealed<BroadcastTitle>,
        form -> Sealed<BroadcastForm>,
        state -> Text,
        reason -> Nullable<Text>,
        stopped_by -> Nullable<BigInt>,
        created_at -> Utc,
        sent_at -> Nullable<Utc>,
        state_at -> Utc,
        form_key -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    broadcast_drafts (user_id) {
        user_id -> BigInt,
        version -> BigInt,
        form -> Nullable<Sealed<BroadcastDraftForm>>,
        saved_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    broadcast_recipients (id) {
        id -> BigInt,
        broadcast_id -> BigInt,
        patient_id -> BigInt,
        state -> Text,
        reason -> Nullable<Text>,
        roads -> Nullable<Text>,
        conversation_id -> Nullable<BigInt>,
        state_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    attachments (id) {
        id -> BigInt,
        message_id -> BigInt,
        conversation_id -> BigInt,
        number -> BigInt,
        blob_id -> BigInt,
        file_name -> Sealed<AttachmentName>,
        media_type -> Text,
        size -> BigInt,
        page_blob_id -> Nullable<BigInt>,
        chart_item_id -> Nullable<BigInt>,
        created_at -> Utc,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    message_templates (id) {
        id -> BigInt,
        owner_id -> Nullable<BigInt>,
        name -> Text,
        name_key -> Text,
        category -> Text,
        language -> Text,
        title -> Text,
        body_html -> Text,
        replies -> Text,
        version -> BigInt,
        changed_at -> Utc,
        retired_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    message_template_versions (template_id, version) {
        template_id -> BigInt,
        version -> BigInt,
        name -> Text,
        category -> Text,
        language -> Text,
        title -> Text,
        body_html -> Text,
        replies -> Text,
        changed_by -> Nullable<BigInt>,
        changed_at -> Utc,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    search_words (id) {
        id -> BigInt,
        term -> Text,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    search_postings (word_id, message_id) {
        word_id -> BigInt,
        message_id -> BigInt,
        parts -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    search_progress (id) {
        id -> BigInt,
        message_id -> BigInt,
        rule -> BigInt,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    emr_keys (id) {
        id -> BigInt,
        private_key -> Sealed<EmrPrivateKey>,
        made_at -> Utc,
        replaced_at -> Nullable<Utc>,
    }
}
diesel::table! {
    use crate::db::Utc;
    use diesel::sql_types::*;
    emr_sources (name) {
        name -> Text,
        sync_on -> Bool,
        write_back_on -> Bool,
        tested_at -> Nullable<Utc>,
        test -> Text,
    }
}
diesel::table! {
    use crate::db::Utc;
    use crate::db::sealed::*;
    use diesel::sql_types::*;
    emr_writes (id) {
        id -> BigInt,
        message_id -> BigInt,
        is_paper -> Bool,
        source -> Text,
        uid -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        words -> Sealed<EmrWriteWords>,
        part_of -> Text,
        documents -> Text,
        resource -> Text,
        created_at -> Utc,
        state_at -> Utc,
    }
}
diesel::joinable!(password_links -> users (user_id));
diesel::joinable!(account_mails -> users (user_id));
diesel::joinable!(known_devices -> users (user_id));
diesel::joinable!(authenticator_apps -> users (user_id));
diesel::joinable!(authenticator_setups -> users (user_id));
diesel::joinable!(recovery_codes -> users (user_id));
diesel::joinable!(second_step_tries -> users (user_id));
diesel::joinable!(pending_sign_ins -> users (user_id));
diesel::joinable!(passkeys -> users (user_id));
diesel::joinable!(passkey_challenges -> users (user_id));
diesel::joinable!(record_holds -> users (user_id));
diesel::joinable!(deleted_records -> users (user_id));
diesel::joinable!(provider_links -> users (user_id));
diesel::joinable!(provider_visits -> users (user_id));
diesel::joinable!(emr_links -> users (user_id));
diesel::joinable!(patient_identifiers -> patients (patient_id));
diesel::joinable!(patient_sources -> patients (patient_id));
diesel::joinable!(patient_terms -> patients (patient_id));
diesel::joinable!(chart_items -> patients (patient_id));
diesel::joinable!(source_files -> source_resources (resource_id));
diesel::joinable!(emr_differences -> patients (patient_id));
diesel::joinable!(source_files -> blobs (blob_id));
diesel::joinable!(chart_tallies -> patients (patient_id));
diesel::joinable!(chart_item_terms -> chart_items (item_id));
diesel::joinable!(chart_files -> chart_items (item_id));
diesel::joinable!(chart_files -> blobs (blob_id));
diesel::joinable!(conversations -> patients (patient_id));
diesel::joinable!(participants -> conversations (conversation_id));
diesel::joinable!(participants -> users (user_id));
diesel::joinable!(team_members -> teams (team_id));
diesel::joinable!(team_members -> users (user_id));
diesel::joinable!(conversation_teams -> teams (team_id));
diesel::joinable!(conversation_teams -> conversations (conversation_id));
diesel::joinable!(answers -> messages (message_id));
diesel::joinable!(reply_drafts -> conversations (conversation_id));
diesel::joinable!(messages -> conversations (conversation_id));
diesel::joinable!(messages -> users (user_id));
diesel::joinable!(notifications -> messages (message_id));
diesel::joinable!(notifications -> conversations (conversation_id));
diesel::joinable!(notifications -> patients (patient_id));
diesel::joinable!(notification_templates -> users (user_id));
diesel::joinable!(plan_steps -> messages (message_id));
diesel::joinable!(plan_steps -> conversations (conversation_id));
diesel::joinable!(phone_calls -> users (user_id));
diesel::joinable!(letters -> users (user_id));
diesel::joinable!(portal_links -> patients (patient_id));
diesel::joinable!(portal_links -> conversations (conversation_id));
diesel::joinable!(portal_links -> notifications (notification_id));
diesel::joinable!(notification_states -> notifications (notification_id));
diesel::joinable!(notifications -> users (user_id));
diesel::joinable!(passcodes -> portal_links (link_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(sessions -> patients (patient_id));
diesel::joinable!(sessions -> caregivers (caregiver_id));
diesel::joinable!(portal_links -> caregivers (caregiver_id));
diesel::joinable!(uploads -> blobs (blob_id));
diesel::joinable!(scheduled_messages -> patients (patient_id));
diesel::joinable!(scheduled_messages -> conversations (conversation_id));
diesel::joinable!(broadcast_recipients -> broadcasts (broadcast_id));
diesel::joinable!(broadcast_recipients -> patients (patient_id));
diesel::joinable!(attachments -> messages (message_id));
diesel::joinable!(search_postings -> messages (message_id));
diesel::allow_tables_to_appear_in_same_query!(
    clinic,
    sealing_keys,
    clinic_images,
    opening_hours,
    absences,
    closed_days,
    answer_promise,
    users,
    password_links,
    account_mails,
    known_devices,
    authenticator_apps,
    authenticator_setups,
    recovery_codes,
    second_step_tries,
    pending_sign_ins,
    passkeys,
    passkey_challenges,
    provider_links,
    provider_visits,
    emr_links,
    emr_newcomers,
    patients,
    distinctions,
    record_holds,
    deleted_records,
    deleted_sources,
    merges,
    merge_moves,
    patient_identifiers,
    patient_sources,
    patient_terms,
    chart_items,
    chart_item_terms,
    chart_tallies,
    source_resources,
    source_files,
    source_mentions,
    emr_rounds,
    emr_progress,
    emr_left_out,
    emr_waiting_charts,
    emr_refused,
    emr_rules,
    emr_differences,
    conversations,
    participants,
    mentions,
    promises,
    conversation_events,
    teams,
    team_members,
    conversation_teams,
    messages,
    answers,
    reply_drafts,
    caregivers,
    caregiver_ages,
    caregiver_drafts,
    notifications,
    notification_templates,
    plan_steps,
    phone_calls,
    letters,
    postal_addresses,
    reach_settings,
    notification_states,
    address_blocks,
    received_texts,
    returned_mail,
    roads,
    portal_links,
    passcodes,
    sessions,
    jobs,
    worker_looks,
    audit_events,
    audit_heads,
    audit_seals,
    blobs,
    chart_files,
    stray_files,
    uploads,
    attachments,
    drafts,
    conversation_drafts,
    scheduled_messages,
    broadcasts,
    broadcast_drafts,
    broadcast_recipients,
    kept_forms,
    saved_views,
    message_templates,
    message_template_versions,
    search_words,
    search_postings,
    search_progress,
    emr_keys,
    emr_sources,
    emr_writes
);
