"""Messages between processes, and the way into torch; needs the extra ``theory-sim[torch]``."""
