"""Nine payloads with which real libraries start real jobs: names and values, as public sources have them.

Ids that were left out there are made up; so is what a list of fields leaves open, and dates are fixed.
"""

from __future__ import annotations

from almajob.alma.models import Parameter

_ITEM_FIELDS = (
    *("IS_MAGNETIC", "REPLACEMENT_COST"),
    *(f"CHRONOLOGY{letter}" for letter in "IJKLM"),
    *(f"ENUMERATION{letter}" for letter in "ABCDEFGH"),
    *("ITEM_POLICY", "PROVENANCE_CODE", "PHYSICAL_CONDITION", "STORAGE_LOCATION_ID"),
    *(f"INTERNAL_NOTE_{number}" for number in (1, 2, 3)),
    *(f"STATISTICS_NOTE_{number}" for number in (1, 2, 3)),
    *("EXPECTED_RECIEVED_DATE", "RECIEVED_DATE", "RECIEVING_OPERATOR", "RECEIVE_NUMBER", "PUBLIC_NOTE"),
    *("FULFILLMENT_NOTE", "TEMP_PHYSICAL_CALL_NUMBER", "TEMP_PHYSICAL_CALL_NUMBER_TYPE"),
    *("ALTERNATIVE_PHYSICAL_CALL_NUMBER", "ALTERNATIVE_PHYSICAL_CALL_NUMBER_TYPE", "ALT_NUMBER_SOURCE"),
    *("WEEDING_NUMBER", "WEEDING_DATE", "MISSING_STATUS", "DEPARTMENT", "IN_PROCESS_TYPE", "PAGES", "PIECES"),
    *("INVENTORY_PRICE", "INVENTORY_NUMBER", "INVENTORY_DATE", "DUE_BACK", "TEMPORARYITEMPOLICY"),
    *("RETENTION_REASON", "RETENTION_NOTE", "ORDER_NUMBER", "ISSUE_DATE", "MATERIAL_TYPE", "COPY_ID"),
)
_DROP_DOWNS = {"ITEM_POLICY", "PHYSICAL_CONDITION", "MISSING_STATUS", "MATERIAL_TYPE", "RETENTION_REASON"}
_WITHOUT_CONDITION = {"RECEIVE_NUMBER", "WEEDING_NUMBER", "DEPARTMENT", "ALT_NUMBER_SOURCE"}
_USER = "UPDATE_User_Information_"
_USER_FIELDS = {
    "Status": ("true", "INACTIVE", "Null"),
    "Expiry_Date": ("true", "1764806400000", "Null"),
    "Purge_Date": ("true", "1796342400000", "Null"),
    "UserGroup": ("false", "ADMIN", "Null"),
    "Title": ("false", "Null", "Null"),
    "JobDescription": ("false", "", "Null"),
    "Campus": ("false", "", "Null"),
}
_USER_FLAGS = {
    "CatalogerLevel": "Null",
    "SetAccountTo": "Null",
    "DontGeneratePassword": "false",
    "ExportToCloudIdP": "false",
    "DisableSMS": "false",
    "Opt_In_Patron_Letters": "Null",
    "Opt_Out_Patron_Letters": "Null",
    "RSL": "",
    "RemoveRSL": "",
}


_USER_CHANGES = {
    "AddRole": "Null",
    "RemoveRole": "56",
    "AddBlock": "Null",
    "DisableBlock": "02-GLOBAL",
    "AddStatistics": "Null",
    "RemoveStatistics": "Null",
    "AddNote": "",
}


def _item_field(name: str) -> list[tuple[str, str]]:
    value = "Null" if name in _DROP_DOWNS else "0" if name.endswith("_DATE") else ""
    condition = "" if name in _WITHOUT_CONDITION else "Null"
    return [(f"{name}_selected", "false"), (f"{name}_value", value), (f"{name}_condition", condition)]


def _user_parameters() -> list[tuple[str, str]]:
    listed = []
    for name, values in _USER_FIELDS.items():
        parts = zip(("Active", "Value", "Condition"), values, strict=True)
        listed += [(f"{_USER}{name}_{part}", value) for part, value in parts]
    listed.append((f"{_USER}FieldType_Value", "BY_USER_ACCOUNT_TYPE"))
    for name, value in _USER_FLAGS.items():
        listed += [(f"{_USER}{name}_Active", "false"), (f"{_USER}{name}_Value", value)]
    for name, value in _USER_CHANGES.items():
        listed += [(f"{_USER}{name}_Active", "false"), (f"{_USER}{name}_Value", value)]
        listed.append((f"{_USER}{name}_Scope", "Null"))
        if name != "RemoveStatistics":
            listed.append((f"{_USER}{name}_Scope_Name", "Null"))
    return [
        *listed,
        ("SEND_Notification_To_User_Active", "false"),
        ("SEND_Notification_To_User_Value", "SOCIAL_LOGIN_INVITAION"),
        ("PRODUCT", "alma"),
        ("set_id", "33620000000000561"),
        ("job_name", "Update/Notify Users - via API - set 33620000000000561"),
    ]


_UNIQUE_OCLC = "com.exlibris.repository.mms.match.uniqueOCLC"
_LISTED: dict[str, list[tuple[str, str]]] = {
    "M44": [
        ("task_ExportBibParams_outputFormat_string", "MARC21_XML"),
        ("task_ExportBibParams_outputRegistryFormat_string", "3"),
        ("task_ExportBibParams_maxSize_string", "0"),
        ("task_ExportBibParams_enrich_string", "Null"),
        ("task_ExportBibParams_exportFolder_string", "PRIVATE"),
        ("task_ExportParams_ftpConfig_string", ""),
        ("task_ExportParams_ftpSubdirectory_string", ""),
        ("set_id", "8020260160005504"),
        ("job_name", "Export Bibliographic records - via API - Test_set_bib_records - Itemized"),
    ],
    "M12889770000231": [
        ("task_MmsTaggingParams_boolean", "NONE"),
        ("set_id", "4000000000000"),
        ("job_name", "Synchronize Bib records with OCLC - do not publish - my set"),
    ],
    "M50215": [
        ("COLLECTION_NAME", "Test-Collection"),
        ("UNASSIGN_FROM_COLLECTION", "false"),
        ("COLLECTION_ID", "81702000000005506"),
        ("set_id", "33624000000005506"),
        ("job_name", "Add Titles to Collection - via API - jfu-test"),
    ],
    "M50216": [
        ("COLLECTION_NAME", "Test-Collection"),
        ("COLLECTION_ID", "81702000000005506"),
        ("set_id", "33624000000005506"),
        ("job_name", "Remove Titles from Collection - via API - jfu-test"),
    ],
    "M7407373650006421": [
        ("task_189_droolesFileKey", "Datasync xref norm"),
        ("task_189_distribution", "true"),
        ("set_id", "23381130100006421"),
        ("job_name", "PUL-BIBNorm - via API - Unprocessed Datasync 914 fields"),
    ],
    "M50173": [
        ("set_id", "9563211250000561"),
        ("job_name", "Import Research Assets Files - via API - forFileUploadJobViaUpdate"),
    ],
    "M100": [
        ("set_id", "4000000000000"),
        ("contribute_nz", "true"),
        ("non_serial_match_profile", _UNIQUE_OCLC),
        ("non_serial_match_prefix", ""),
        ("serial_match_profile", _UNIQUE_OCLC),
        ("serial_match_prefix", ""),
        ("ignoreResourceType", "false"),
    ],
    "M18": [
        *(pair for name in _ITEM_FIELDS for pair in _item_field(name)),
        ("COMMITTED_TO_RETAIN_selected", "false"),
        ("COMMITTED_TO_RETAIN_value", "0"),
        ("REMOVE_TRANSIT_FOR_RESHELVING_selected", "false"),
        ("REMOVE_RS_TRANSIT_selected", "false"),
        ("clearAllTemporaryInformation", "false"),
        ("clearTemporaryLibraryAndLocation", "false"),
        ("copyItemToHost", "false"),
        ("set_id", "9563211260000561"),
        ("job_name", "Change Physical items information - via API - lost items"),
    ],
    "M148": _user_parameters(),
}
PAYLOADS: dict[str, tuple[Parameter, ...]] = {
    job_id: tuple(Parameter(name, value) for name, value in listed) for job_id, listed in _LISTED.items()
}
"""By the id of the job."""
PART_OF_M18 = tuple(
    Parameter(name, value)
    for name, value in (
        ("MISSING_STATUS_selected", "true"),
        ("MISSING_STATUS_value", "MISSING"),
        ("MISSING_STATUS_condition", "NULL"),
        ("set_id", "9563211260000561"),
    )
)
"""What another library sends to the same job, without a job_name."""
