// Who we are to remote stores, as the environment says.
#pragma once

#include <string>

#include "replicator/snapshot_store/curl_client.h"
#include "replicator/snapshot_store/store_url.h"

namespace colony {

// An environment variable's value, or "".
std::string environment(const char* name);

// The user's home.
std::string home_folder();

// User and password of the URL, else COLONY_STORE_USER and COLONY_STORE_PASSWORD.
CurlAccess access_by_password(const StoreUrl& url);

}  // namespace colony
