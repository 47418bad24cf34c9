#pragma once

#include "package/zip_archive.h"
