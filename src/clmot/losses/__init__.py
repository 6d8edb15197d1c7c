"""Training losses: functions of data, without configuration or state."""
