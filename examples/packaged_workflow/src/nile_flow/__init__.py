"""When did the flow of the Nile fall? A workflow that fetches the measurements, and answers in a report."""
